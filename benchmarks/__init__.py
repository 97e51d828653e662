"""How fast imagebot is, as ratios against bare loops in the same run. See docs/performance.md."""
