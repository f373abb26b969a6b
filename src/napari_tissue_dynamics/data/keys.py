"""Every AnnData key this package reads or writes, in one table.

Keys that scVelo, CellRank and squidpy read keep their names: ``Ms``, ``Mu``, ``velocity``, ``velocity_u``,
``velocity_genes``, ``latent_time``, ``velocity_<basis>``, ``velocity_graph``, ``velocity_graph_neg``,
``velocity_self_transition``, ``velocity_params``, ``term_states_fwd``, ``init_states_fwd``, ``lineages_fwd``,
``terminal_lineage_drivers`` (CellRank 2) and ``uns["spatial"]``.
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
GENE_TIME = "fit_t"
VARIANCE = "variance_velocity"

# obs
LATENT_TIME = "latent_time"
EXPERT = "expert"
EXPERT_WEIGHT = "expert_weight"
NEIGHBOR_CORRELATION = "velocity_confidence"
CONFIDENCE = "velocity_local_confidence"
SELF_TRANSITION = "velocity_self_transition"
TERMINAL_STATES = "term_states_fwd"
INITIAL_STATES = "init_states_fwd"
STATE_MEMBERSHIP = "{name}_probs"
EARLIER_VERSIONS = (
    "velocity_direction_confidence",
    "velocity_above_null",
    "velocity_null_pvalue",
    "velocity_null_length",
    "velocity_null_limit",
    "latent_time_spread",
)
"""Columns of velocities of earlier versions; they are not read, and go when another velocity is written."""

# var
VELOCITY_GENES = "velocity_genes"
GENE_WEIGHT = "velocity_gene_weight"

# obsm
SPATIAL = ("spatial", "X_spatial")
OBS_XY = ("x", "y")
EMBEDDINGS = ("X_umap", "X_tsne", "X_pca")
LATENT = "X_steer"
EXPERT_PROBABILITY = "expert_probability"
BETAS = "betas_{target}"
BETA_BASIS = "regulation_basis_{number}"
BETA_CODES = "regulation_types_{number}"
SIMILAR_CELLS = "similar_cells"
VELOCITY_BASIS = "velocity_{basis}"
FATES = "lineages_fwd"

# uns and obsp
SPATIAL_IMAGES = "spatial"
LAYER_MEANING = "layer_meaning"
SPATIAL_UNIT = "spatial_unit"
IMAGE_PLACEMENT = "image_placement"
REGULATION_FIT = "regulation"
PROVENANCE = "tissue_dynamics"
READ_AS = "tissue_dynamics_read"
VELOCITY_GRAPH = "velocity_graph"
VELOCITY_GRAPH_NEGATIVE = "velocity_graph_neg"
VELOCITY_PARAMS = "velocity_params"
VELOCITY_EVIDENCE = "velocity_evidence"
SCVELO_DYNAMICS = "recover_dynamics"
EXPERT_TABLE = "expert_{name}"
CATEGORY_COLORS = "{name}_colors"

# varm
DRIVERS = "terminal_lineage_drivers"
