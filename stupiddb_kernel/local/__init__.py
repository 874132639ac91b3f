"""The embedded stack: real servers on loopback that stand in for AWS. A stand-in, and named as one."""
