"""Promotion: verify again, then copy while hashing, then move the alias. Fails closed."""

from .line import promote, rollback
from .served import Served, verify_served

__all__ = ["Served", "promote", "rollback", "verify_served"]
