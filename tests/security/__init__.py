"""Authentication and rights of clients, and what hostile peers cannot do."""
