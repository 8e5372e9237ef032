"""Package metadata; every dependency stands with its reason."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="pyg-gears",
    version="0.2.0",
    description="Reconstruct how dissociated cells were arranged: graph networks that learn geometry from spatial slides",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.11",
    packages=find_packages(include=["pyg_gears", "pyg_gears.*"]),
    package_data={"pyg_gears": ["py.typed", "lab/experiments/catalogue/*.yaml", "report/page/*"]},
    install_requires=[
        "torch>=2.6",  # tensors and autograd; 2.6 made weights_only loading the default
        "torch-geometric>=2.6",  # Data, Batch, MessagePassing, transforms
        "numpy>=1.26",  # arrays at the doors
        "scipy>=1.15",  # sparse counts, KD-trees, assignment, sparse solves; shortest paths took 32 bits only before
        "scikit-learn>=1.4",  # PCA, isotonic regression, the simple rivals
        "anndata>=0.12.2",  # the file format of the field; 0.11 cannot be imported beside zarr 3
        "zarr>=3.1",  # zarr and SpatialData stores; anndata brings it anyway
        "lightning>=2.6,!=2.6.2,!=2.6.3",  # training loops, checkpoints, resume; two releases were compromised
        "click>=8.1",  # command line
        "tqdm>=4.60",  # progress of long inference
        "PyYAML>=6.0",  # recipes
        "lazy_loader>=0.6",  # packages whose heavy parts load when first used; up to 0.5 a file hides its function
        "pydantic>=2.7",  # ranges, choices and variants of the recipe
        "pandas>=2.1",  # tables of the reports; AnnData brings it anyway
        "joblib>=1.5",  # experiments in several processes; scikit-learn brings it anyway
        "jaxtyping>=0.2.30",  # shapes in signatures; pure Python, free at run time
    ],
    extras_require={
        "plot": ["matplotlib>=3.8"],  # figures of `evaluate`
        "report": ["plotly>=6"],  # pages of `report` and `fit`: its JavaScript is copied into them
        "browser": ["playwright>=1.45"],  # tests of the pages; drives Debian's chromium, brings none
        "transfer": ["pillow>=10.3"],  # PNG and JPEG in `transfer`; matplotlib brings it anyway
        "scale": ["faiss-cpu>=1.8"],  # neighbours above 50,000 cells
        "dask": [
            "dask[distributed]>=2024.8"
        ],  # layouts predicted by a cluster's workers; scanpy and anndata work with it
        "eval": ["igraph>=0.11"],  # Leiden communities in label-free checks
        "harmony": ["harmonypy>=2"],  # `lab batch-effect --harmony`; GPL-3.0, imported by nothing else
        "io": ["pyarrow>=14"],  # positions of Visium HD, which are parquet: one package of 55 MB
        "ext": ["torch-scatter", "torch-cluster"],  # compiled from source in 10 to 25 minutes; used where present
        "tutorial": ["scanpy>=1.10"],  # what the first tutorial does with a layout
        "docs": [
            "sphinx>=8",  # `make docs`
            "sphinx-book-theme>=1.1",  # the theme of the scverse packages
            "myst-nb>=1.2",  # pages in Markdown, tutorials executed when the pages are built
            "jupytext>=1.16",  # tutorials are Python files, and notebooks to download
            "ipykernel>=6",  # runs the tutorials
            "sphinx-copybutton>=0.5",  # copy buttons at code
            "sphinx-design>=0.6",  # cards of the first page
            "matplotlib>=3.8",  # figures of the concepts
        ],
        "dev": [
            "pytest>=8",
            "pytest-xdist>=3.5",  # `make test` in several processes
            "hypothesis>=6.100",  # property tests
            "beartype>=0.18",  # checks the shapes in the tests
            "ruff>=0.6",
            "mypy>=1.11",
            "types-PyYAML",
            "types-tqdm",
            "matplotlib>=3.8",  # figures are tested
            "plotly>=6",  # so are pages
            "igraph>=0.11",
        ],
    },
    entry_points={"console_scripts": ["pyg-gears = pyg_gears.cli:main"]},
)
