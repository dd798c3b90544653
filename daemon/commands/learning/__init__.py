"""The command that learns a site's own references and harm."""
