"""What zinfo costs, measured beside what one would build without it. README.md tells the method."""
