"""The daemon under a service manager: what it is told, and what it does where nobody listens."""
