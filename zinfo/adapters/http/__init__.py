"""The HTTP door: metrics for Prometheus, a JSON API, a stream of events, health."""
