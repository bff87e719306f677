"""Promotion: verify again, then copy while hashing, then move the alias. Fails closed."""

from .line import Served, promote, rollback, verify_served

__all__ = ["Served", "promote", "rollback", "verify_served"]
