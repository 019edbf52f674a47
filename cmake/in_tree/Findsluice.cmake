# What the examples' find_package(sluice) finds inside Sluice's own tree: its targets, which are there already.
set(sluice_FOUND TRUE)
