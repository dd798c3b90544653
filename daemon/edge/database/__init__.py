"""What was decided and what is owed, in SQL: the tables, and one module for each use of them."""
