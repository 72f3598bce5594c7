"""The only readers of files and services; they hand on plain, validated tables in WGS-84."""
