"""What a serving process does beside answering: checks its database, audits the ledger, deletes what has expired."""
