"""Where an approved model goes. One file per kind; the local folder needs no server."""
