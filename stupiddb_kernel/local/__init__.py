"""The embedded stack: real servers on loopback that stand in for AWS. A stand-in, and named as one.

``stack`` is the way in; ``supervisor`` owns the processes, ``processes`` talks to it, ``workspace`` owns the
folders; ``provision``, ``debian`` and ``cache`` get the servers' programs; ``postgres``, ``mariadb``,
``redis``, ``ministack`` and ``endpoint`` start one server each; ``flights`` loads the real data,
``generator`` makes any amount of other data up; ``athena`` is our Athena.
"""
