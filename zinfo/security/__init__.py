"""Who is let in, and what they may: CURVE keys, ZAP and rights.

Reading order: `rights` (what a client may), `access` (which client a key is), `zap` (ZeroMQ's
question whether a key is let in). Without it all who reach the sockets may do everything, which is
why they are on the loopback address then.
"""
