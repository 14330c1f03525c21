"""The two workers of each comparison, and those who listen and ask: each a process of its own."""
