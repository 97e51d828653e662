"""Pull requests as values: names, groups, messages, bodies, and the decision what to do next.

Knows what a request says and when it lives. It refuses to know the network, git, the clock and
the disk: the caller brings facts and carries out the one action that comes back.
"""
