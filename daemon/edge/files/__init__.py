"""Files beside spool and database: report objects, references, tables, images of other software."""
