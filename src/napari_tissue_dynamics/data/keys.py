"""Every AnnData key this package reads or writes, in one table.

Keys that scVelo, CellRank and squidpy read keep their names: ``Ms``, ``Mu``, ``velocity``, ``velocity_u``,
``velocity_genes``, ``latent_time``, ``velocity_<basis>``, ``velocity_graph`` and ``uns["spatial"]``.
"""

# layers
SPLICED = "spliced"
UNSPLICED = "unspliced"
MOMENTS_SPLICED = "Ms"
MOMENTS_UNSPLICED = "Mu"
VELOCITY = "velocity"
VELOCITY_UNSPLICED = "velocity_u"
ALPHA = "alpha"
BETA = "beta"
GAMMA = "gamma"
REGULATION = "regulate_state"

# obs
LATENT_TIME = "latent_time"
EXPERT = "expert"
EXPERT_WEIGHT = "expert_weight"
CONFIDENCE = "velocity_confidence"

# var
VELOCITY_GENES = "velocity_genes"

# obsm
SPATIAL = ("spatial", "X_spatial")
OBS_XY = ("x", "y")
EMBEDDINGS = ("X_umap", "X_tsne", "X_pca")
LATENT = "X_steer"
EXPERT_PROBABILITY = "expert_probability"
BETAS = "betas_{target}"
VELOCITY_BASIS = "velocity_{basis}"

# uns and obsp
SPATIAL_IMAGES = "spatial"
LAYER_MEANING = "layer_meaning"
SPATIAL_UNIT = "spatial_unit"
PROVENANCE = "tissue_dynamics"
VELOCITY_GRAPH = "velocity_graph"
VELOCITY_GRAPH_NEGATIVE = "velocity_graph_neg"
VELOCITY_PARAMS = "velocity_params"
CATEGORY_COLORS = "{name}_colors"
