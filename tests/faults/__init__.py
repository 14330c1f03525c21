"""What zinfo does when shards, its own parts, consumers or the way to them fail."""
