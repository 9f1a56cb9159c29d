"""What tests of this folder share."""

from needed import kubectl

__all__ = ["kubectl"]
