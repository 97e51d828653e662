"""What people and programs read: text, JSON and diffs of a plan or a cycle. Decides nothing."""
