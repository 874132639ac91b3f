"""The Jupyter kernel ``stupiddb``: ipykernel with the extension already loaded."""

from __future__ import annotations


def main() -> None:
    """Start ipykernel as the kernelspec asks, with ``%load_ext stupiddb`` already done."""
    import sys

    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance(argv=[*sys.argv[1:], "--ext", "stupiddb"])


if __name__ == "__main__":
    main()
