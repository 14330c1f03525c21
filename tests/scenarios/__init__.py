"""Whole stories, on many real servers at once."""
