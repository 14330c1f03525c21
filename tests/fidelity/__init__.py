"""Every stored INFO text through every path of zinfo: nothing is lost, wrong, invented or twice.

`reader.py` reads a text a second time, in the plainest way, and shares no code with zinfo.
`expected_metrics.py` says which samples a text gives. `world.py` serves the texts to a daemon, and
`test_*.py` compare what the daemon gives with both.
"""
