"""The daemon under a service manager: its notifications, with and without a listener."""
