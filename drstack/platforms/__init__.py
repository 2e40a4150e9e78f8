"""Actuators and facts of each platform, behind the ports of `drstack.recovery.ports`; no Pulumi, no torch."""
