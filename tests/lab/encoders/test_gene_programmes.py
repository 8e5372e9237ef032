from __future__ import annotations

import codecs
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pyg_gears.data import simulate_tissue
from pyg_gears.encoders.centering import normalize_expression
from pyg_gears.errors import InputError
from pyg_gears.graphs import morans_i
from pyg_gears.lab.encoders import gene_programmes
from pyg_gears.lab.encoders.gene_programmes import between_share, chance_share, direction_cosines
from pyg_gears.lab.encoders.gene_sets import read_gene_sets
from pyg_gears.lab.encoders.slide_graph import slide_graph
from pyg_gears.lab.encoders.subject import slides_subject
from pyg_gears.lab.probe import NotMeasurable


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_gmt_and_json_are_read_alike(tmp_path: Path) -> None:
    gmt = write(tmp_path, "sets.gmt", "zone 1\thttp://x\tCyp2f2\tAlb\tCyp2f2\t\r\n\nstress\tnone\tFos\n")
    json = write(tmp_path, "sets.json", '{"zone 1": ["Cyp2f2", "Alb"], "stress": ["Fos", "Fos", ""]}')
    expected = {"zone 1": ("Cyp2f2", "Alb"), "stress": ("Fos",)}
    assert read_gene_sets(gmt) == read_gene_sets(json) == expected
    assert list(read_gene_sets(str(json))) == ["zone 1", "stress"]
    for path in (gmt, json):  # as editors and Excel on Windows save text
        path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
        assert read_gene_sets(path) == expected


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.txt", "x", "expected gene sets in a .gmt or .json file, found a.txt"),
        ("a.gmt", "zone\tnone\n", r"a.gmt: expected a name, a description and genes .* in line 1, found 2 field"),
        ("a.gmt", "a\tb\tc\n\n\ta\tb\tc", "between them in line 3, found no name"),
        ("a.gmt", "a\tb\tc\na\tb\tc\n", "expected a new name in line 2, found 'a' again"),
        ("a.gmt", "\n", "a.gmt: expected at least one gene set, found none"),
        ("a.gmt", "a\tb\t\t\n", "expected genes in the set 'a', found none"),
        ("a.json", "{", "a.json: expected JSON, found an error at line 1, column 2"),
        ("a.json", "[]", "expected an object from names to lists of genes, found list"),
        ("a.json", '{"a": "Alb"}', "expected a list of names of genes for 'a', found another value"),
        ("a.json", '{"a": ["Alb", 3]}', "expected a list of names of genes for 'a'"),
        ("a.json", '{"a": ["Alb"], "a": ["Fos"]}', "expected names that differ, found 'a' twice"),
        ("a.json", '{"a": []}', "expected genes in the set 'a', found none"),
        ("a.json", "{}", "expected at least one gene set, found none"),
    ],
)
def test_a_bad_file_is_one_sentence(tmp_path: Path, name: str, content: str, text: str) -> None:
    with pytest.raises(InputError, match=text):
        read_gene_sets(write(tmp_path, name, content))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected gene sets at .*absent.gmt, found No such file"):
        read_gene_sets(tmp_path / "absent.gmt")
    (tmp_path / "latin.gmt").write_bytes(b"a\tb\t\xff\xfe")
    with pytest.raises(InputError, match="found no UTF-8 text"):
        read_gene_sets(tmp_path / "latin.gmt")


def test_the_share_between_slides_is_its_sum_spot_by_spot() -> None:
    generator = np.random.default_rng(0)
    labels, groups = generator.integers(0, 3, 80), generator.integers(0, 2, 80)
    values = generator.normal(size=80) + labels + 2 * groups
    for kinds in (np.zeros(80, int), groups):
        above = below = 0.0
        for i in range(80):
            center = values[kinds == kinds[i]].mean()
            above += (values[(kinds == kinds[i]) & (labels == labels[i])].mean() - center) ** 2
            below += (values[i] - center) ** 2
        assert between_share(values, labels, kinds) == pytest.approx(above / below, rel=1e-12)
    assert between_share(values, labels) == between_share(values, labels, np.zeros(80, int))
    assert between_share(labels.astype(float), labels) == pytest.approx(1.0)
    # Slides that differ in composition alone.
    assert between_share(groups.astype(float), labels, groups) == 0.0


def test_the_share_by_chance_is_the_mean_over_shuffles() -> None:
    generator = np.random.default_rng(0)
    labels, groups = generator.integers(0, 3, 200), generator.integers(0, 6, 200)
    for kinds in (None, groups):
        shares = [between_share(generator.normal(size=200), labels, kinds) for _ in range(150)]
        assert chance_share(labels, kinds) == pytest.approx(np.mean(shares), rel=0.12)


def test_the_cosine_and_its_distribution_over_random_sets() -> None:
    """Against the indicator's cosine, and against every set of that size."""
    from itertools import combinations

    generator = np.random.default_rng(1)
    shift = generator.normal(0.3, 1.0, size=(2, 9))
    chosen = np.array([1, 4, 7])
    cosine, z = direction_cosines(shift, chosen)
    for s in range(2):
        indicator = np.isin(np.arange(9), chosen).astype(float)
        by_hand = indicator @ shift[s] / (np.linalg.norm(indicator) * np.linalg.norm(shift[s]))
        every = [shift[s, list(one)].sum() / (3**0.5 * np.linalg.norm(shift[s])) for one in combinations(range(9), 3)]
        assert cosine[s] == pytest.approx(by_hand, rel=1e-12)
        assert z[s] == pytest.approx((by_hand - np.mean(every)) / np.std(every), rel=1e-9)
    assert np.isnan(direction_cosines(shift, np.arange(9))[1]).all()


@pytest.fixture(scope="module")
def slides():
    return simulate_tissue("layers", slides=3, cells=30, seed=0, spots=70, genes=60).slides


def test_scores_levels_and_moran_are_those_of_standardised_genes(slides) -> None:
    genes = slides[0].genes
    sets = {"some": (genes[3], "not measured", genes[10], genes[20]), "none": ("not measured",)}
    subject = slides_subject(slides, held_out=("slide_0",), rows=(), gene_sets=sets)
    found = gene_programmes.PROBE.measure(subject)
    assert found.absent == ("none",)
    (one,) = found.programmes
    assert (one.listed, one.genes) == (4, (genes[3], genes[10], genes[20]))

    parts = [normalize_expression(slide).toarray().astype(np.float64) for slide in subject.slides]
    columns = [subject.slides[0].genes.index(gene) for gene in one.genes]
    pooled = np.concatenate(parts)
    z = (pooled - pooled.mean(axis=0)) / pooled.std(axis=0)
    score = z[:, columns].mean(axis=1)
    for number, slide in enumerate(subject.slides):
        mine = subject.labels == number
        assert one.level[number] == pytest.approx(score[mine].mean(), abs=1e-8)
        assert one.moran[number] == pytest.approx(float(morans_i(score[mine], slide_graph(slide))), rel=1e-6)
        direct = morans_i(parts[number][:, columns], slide_graph(slide))
        assert [one.gene_moran[gene][number] for gene in one.genes] == pytest.approx(direct.tolist(), rel=1e-6)
        shift = z[mine].mean(axis=0)
        assert one.cosine[number] == pytest.approx(shift[columns].sum() / (3**0.5 * np.linalg.norm(shift)), rel=1e-6)
    assert one.between == pytest.approx(between_share(score, subject.labels), rel=1e-6)
    assert one.inside == pytest.approx(between_share(score, subject.labels, subject.clusters), rel=1e-6)
    title, table = next(iter(gene_programmes.PROBE.tables(found).items()))
    assert "none of the genes of none is measured" in title
    assert table.loc["some", "genes"] == "3 of 4"
    assert table.loc["some", "between slides"] == one.between


def test_without_sets_or_without_a_gene_that_varies_a_note_says_so(slides) -> None:
    subject = slides_subject(slides, held_out=("slide_0",), rows=())
    with pytest.raises(NotMeasurable, match="expected gene sets, found none; name a file with --gene-sets"):
        gene_programmes.PROBE.measure(subject)
    alone = dataclasses.replace(subject, gene_sets={"human": ("ALB",)})
    with pytest.raises(NotMeasurable, match="expected a gene of the sets that varies over the spots, found none"):
        gene_programmes.PROBE.measure(alone)


def test_sets_of_another_species_are_refused_before_the_fits(slides) -> None:
    with pytest.raises(InputError, match=r"expected gene sets with genes of the slides \(such as \w+\), found none"):
        slides_subject(slides, held_out=("slide_0",), gene_sets={"human": ("ALB",), "other": ("FOS",)})
