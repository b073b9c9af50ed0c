"""PostgreSQL and Redis for one machine, and the supervisor behind `./scripts/up`.

Standard library only: this package runs before anything is installed, and without Django.
"""
