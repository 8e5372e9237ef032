"""Random attempts to break the package: ``python -m tests.campaign --minutes N`` runs them for as long as wanted."""
