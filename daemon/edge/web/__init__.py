"""The live page at the console, and what machines ask over HTTP."""
