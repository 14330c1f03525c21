"""Authentication and authorisation of clients.

Clients are identified by CURVE keys (`authorized_keys`, checked through ZeroMQ's `zap`), or by
bearer tokens or certificates (`tokens`). Their `rights` say what each can see and call;
`bus_rights` and `bus_endpoints` apply that to the bus. Imports `sockets`, `shards`, `wire`. Begin
with `rights.py`.
"""
