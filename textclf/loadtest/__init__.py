"""How long a served model takes to answer under a load, whatever server it is."""
