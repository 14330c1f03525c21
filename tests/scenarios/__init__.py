"""Complete scenarios with many real servers."""
