"""What a daemon is troubled with: hostile peers and heavy honest work, each an `Attack`."""
