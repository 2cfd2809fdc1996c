"""What trades: loops around a pure core, disposable at any moment because Postgres remembers."""
