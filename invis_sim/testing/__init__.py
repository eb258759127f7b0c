"""For test suites of clients: a simulator beside any test."""
