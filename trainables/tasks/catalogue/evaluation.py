"""The evaluation tasks of XTREME, XTREME-R and IGLUE. XNLI is in `inference.py`.

A search sees only dev data: the split `validation` here. Where a benchmark has only one public split, that split is
`validation`, and the notes say that no split is left for a confirmation.
"""

from __future__ import annotations

from trainables.config.literature import LITERATURE
from trainables.tasks.annotation_source import AnnotationSource
from trainables.tasks.bitext_source import BitextSource
from trainables.tasks.catalogue.inference import NLI_LABELS
from trainables.tasks.pool_sources import EntityPoolSource, SentencePoolSource
from trainables.tasks.row_filter import RowFilter
from trainables.tasks.spec import HubSource, TaskSpec

_ISO_639_3 = (
    "ar:ara he:heb vi:vie id:ind jv:jav tl:tgl eu:eus ml:mal ta:tam te:tel af:afr nl:nld de:deu el:ell bn:ben hi:hin "
    "mr:mar ur:urd fa:pes fr:fra it:ita pt:por es:spa bg:bul ru:rus ja:jpn ka:kat ko:kor th:tha sw:swh zh:cmn kk:kaz "
    "tr:tur et:est fi:fin hu:hun"
)
_UD_NAMES = (  # `Afrikans` is the repository's spelling
    "Afrikans Arabic Bulgarian German Greek English Spanish Estonian Basque Persian Finnish French Hebrew Hindi "
    "Hungarian Indonesian Italian Japanese Korean Marathi Dutch Portuguese Russian Tamil Telugu Turkish Urdu "
    "Vietnamese Chinese"
)
_TYDI_NAMES = "arabic bengali english finnish indonesian korean russian swahili telugu"
_UD_TAGS = (
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM"),
    *("PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"),
)
_CAUSES = {"context": "premise", "question": "question", "choices": ("choice1", "choice2"), "label": "label"}
_UNPINNED = "Revision not pinned: the commit could not be verified when the catalogue was written."
_YOUR_FILES = "Revision not pinned: your files are identified by their content."
_ONE_SPLIT = "It has one public split, which the search sees: no split is left for a confirmation."

EVALUATION_TASKS: tuple[TaskSpec, ...] = (
    TaskSpec(
        name="paws_x",
        kind="sentence_pair",
        source=HubSource(repository="google-research-datasets/paws-x", config="{language}"),
        splits={"validation": ("validation",), "test": ("test",)},
        columns={"premise": "sentence1", "hypothesis": "sentence2", "label": "label"},
        labels=("different", "paraphrase"),
        languages=LITERATURE["paws_x"].languages,
        licence="free for any purpose, with attribution (PAWS-X licence)",
        citation="Yang et al. 2019, arXiv 1908.11828",
        notes=f"2,000 dev and 2,000 test pairs, parallel in 7 languages. {_UNPINNED}",
    ),
    TaskSpec(
        name="xquad",
        kind="span_qa",
        source=HubSource(
            repository="google/xquad",
            config="xquad.{language}",
            revision="51adfef1c1287aab1d2d91b5bead9bcfb9c68583",
        ),
        splits={"validation": ("validation",)},
        columns={"context": "context", "question": "question", "answers": "answers", "id": "id"},
        languages=LITERATURE["xquad"].languages,
        metric="f1",
        licence="CC BY-SA 4.0",
        citation="Artetxe et al. 2020, arXiv 1910.11856",
        notes=f"1,190 questions on Wikipedia, parallel in 11 languages. {_ONE_SPLIT}",
    ),
    TaskSpec(
        name="copa",
        kind="multiple_choice",
        source=HubSource(repository="aps/super_glue", config="copa"),
        splits={"train": ("train",), "validation": ("validation",)},
        columns=_CAUSES,
        num_train_examples=400,
        licence="BSD 2-Clause",
        citation="Roemmele et al. 2011, AAAI Spring Symposium; Wang et al. 2019, SuperGLUE, arXiv 1905.00537",
        notes=f"400 English premises, each with two possible causes or effects. {_UNPINNED}",
    ),
    TaskSpec(
        name="xcopa",
        kind="multiple_choice",
        source=HubSource(
            repository="cambridgeltl/xcopa", config="{language}", revision="042f78955ba48e6404616762fa6e05e839c3907a"
        ),
        splits={"validation": ("validation",), "test": ("test",)},
        columns=_CAUSES,
        languages=("en", *LITERATURE["xcopa"].languages),
        licence="CC BY 4.0",
        citation="Ponti et al. 2020, arXiv 2005.00333",
        notes="100 dev and 500 test premises in 11 languages; after each the model reads `cause` or `effect`. English "
        "is COPA's, and only in mirrors: the hub's repository has no English.",
    ),
    TaskSpec(
        name="mlqa",
        kind="span_qa",
        source=HubSource(repository="google/xtreme", config="MLQA.{language}.{language}"),
        splits={"validation": ("validation",), "test": ("test",)},
        columns={"context": "context", "question": "question", "answers": "answers", "id": "id"},
        languages=LITERATURE["mlqa"].languages,
        metric="mlqa_f1",
        licence="CC BY-SA 3.0",
        citation="Lewis et al. 2020, arXiv 1910.07475",
        notes=f"Question and context in one language, 500 to 1,150 dev questions in each of 7. {_UNPINNED}",
    ),
    TaskSpec(
        name="tydiqa",
        kind="span_qa",
        source=HubSource(
            repository="google-research-datasets/tydiqa",
            config="secondary_task",
            language_names=dict(zip(LITERATURE["tydiqa"].languages, _TYDI_NAMES.split(), strict=True)),
            where=RowFilter(column="id", prefix="{language}-"),
        ),
        splits={"train": ("train",), "validation": ("validation",)},
        columns={"context": "context", "question": "question", "answers": "answers", "id": "id"},
        languages=LITERATURE["tydiqa"].languages,
        metric="f1",
        num_train_examples=3_696,
        licence="Apache-2.0",
        citation="Clark et al. 2020, arXiv 2003.05002",
        notes="TyDiQA-GoldP: questions asked in each of 9 languages, not translated; targets train on English. "
        f"The language of a row is the first word of its `id`. {_ONE_SPLIT} {_UNPINNED}",
    ),
    TaskSpec(
        name="panx",
        kind="tagging",
        source=HubSource(repository="google/xtreme", config="PAN-X.{language}"),
        splits={"train": ("train",), "validation": ("validation",), "test": ("test",)},
        columns={"tokens": "tokens", "tags": "ner_tags"},
        labels=("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"),
        languages=LITERATURE["panx"].languages,
        metric="seqeval_f1",
        num_train_examples=20_000,
        licence="ODC-BY (WikiANN)",
        citation="Pan et al. 2017, ACL P17-1178; splits of Rahimi et al. 2019, arXiv 1902.00193",
        notes=f"Named entities of Wikipedia in 40 languages; targets train on 20,000 English sentences. {_UNPINNED}",
    ),
    TaskSpec(
        name="udpos",
        kind="tagging",
        source=HubSource(
            repository="google/xtreme",
            config="udpos.{language}",
            language_names=dict(zip(LITERATURE["udpos"].languages, _UD_NAMES.split(), strict=True)),
        ),
        splits={"train": ("train",), "validation": ("validation",), "test": ("test",)},
        columns={"tokens": "tokens", "tags": "pos_tags"},
        labels=_UD_TAGS,
        languages=LITERATURE["udpos"].languages,
        licence="the treebanks' own (Universal Dependencies v2.5)",
        citation="Nivre et al. 2020, arXiv 2004.10643",
        notes="Parts of speech; targets train on English. Scored by accuracy over words. XTREME reports seqeval's F1, "
        f"which reads plain tags as spans and joins equal neighbours. {_UNPINNED}",
    ),
    TaskSpec(
        name="bucc",
        kind="text_retrieval",
        source=BitextSource(variable="XSTILTS_BUCC"),
        splits={"validation": ("dev",), "test": ("test",)},
        columns={"query": "query", "candidate": "candidate", "link": "link", "id": "id"},
        languages=LITERATURE["bucc"].languages,
        metric="mining_f1",
        licence="research use; Wikipedia's and News Commentary's texts",
        citation="Zweigenbaum et al. 2018, 11th Workshop on Building and Using Comparable Corpora",
        notes="Finds the translations among all sentences of two comparable corpora, in 4 languages with English; the "
        "threshold is that of the best F1. The copies on the hub hold only the gold pairs, so it is read from your own "
        "copy: set XSTILTS_BUCC to a folder with XTREME's files (de-en.dev.de, de-en.dev.en, de-en.dev.gold, and so "
        "on). Revision not pinned: your files are identified by their content.",
    ),
    TaskSpec(
        name="lareqa",
        kind="text_retrieval",
        source=SentencePoolSource(task="xquad", pool=LITERATURE["lareqa"].languages),
        splits={"validation": ("validation",)},
        columns={"query": "query", "candidate": "candidate", "links": "links", "id": "id"},
        languages=LITERATURE["lareqa"].languages,
        metric="map_at_20",
        licence="CC BY-SA 4.0",
        citation="Roy et al. 2020, arXiv 2004.05484",
        notes="1,190 questions in each of 11 languages search one pool of about 13,000 sentences, XQuAD's in all 11 "
        "languages; in each language the sentence with the answer is right. The hub's XQuAD-R has no sentence "
        "boundaries, so the sentences are made by rules (trainables/data/sources/sentences.py). A sentence is encoded "
        f"without its paragraph, and nothing is trained. {_ONE_SPLIT}",
    ),
    TaskSpec(
        name="mewsli_x",
        kind="text_retrieval",
        source=EntityPoolSource(variable="XSTILTS_MEWSLIX"),
        splits={"validation": ("dev",), "test": ("test",)},
        columns={"query": "query", "candidate": "candidate", "link": "link", "id": "id"},
        languages=LITERATURE["mewsli_x"].languages,
        metric="map_at_20",
        licence="not stated; texts of WikiNews (CC BY 2.5) and Wikipedia (CC BY-SA)",
        citation="Ruder et al. 2021, arXiv 2104.07412, section 3",
        notes="About 3,000 mentions of entities in news of 11 languages search the descriptions of 1,003,893 entities "
        "in 50 languages. A script of google-research builds the texts from WikiNews dumps, so they are read from your "
        "own copy: set XSTILTS_MEWSLIX to the folder with candidate_set_entities.jsonl and "
        "wikinews_mentions-dev.jsonl. Nothing is trained. Revision not pinned: your files are identified by their "
        "content.",
    ),
    TaskSpec(
        name="tatoeba",
        kind="text_retrieval",
        source=HubSource(
            repository="mteb/tatoeba-bitext-mining",
            config="{language}-eng",
            revision="9080400076fbadbb4c4dcb136ff4eddc40b42553",
            language_names={pair[:2]: pair[3:] for pair in _ISO_639_3.split()},
        ),
        splits={"validation": ("test",)},
        # XTREME's script searches the sentence of the other language for each English one.
        columns={"query": "sentence2", "candidate": "sentence1"},
        languages=LITERATURE["tatoeba"].languages,
        licence="CC BY 2.0",
        citation="Artetxe and Schwenk 2019, arXiv 1812.10464",
        notes=f"Up to 1,000 sentences in each of 36 languages with English. {_ONE_SPLIT}",
    ),
    TaskSpec(
        name="xvnli",
        kind="image_classification",
        source=AnnotationSource(variable="XSTILTS_XVNLI", image_field="Flikr30kID", image_ending=".jpg"),
        splits={"validation": ("test",)},
        columns={"image": "image", "hypothesis": "sentence2", "label": "gold_label", "id": "pairID"},
        labels=NLI_LABELS,
        label_values=NLI_LABELS,
        languages=LITERATURE["xvnli"].languages,
        licence="not stated; sentences of SNLI (CC BY-SA 4.0); photographs of Flickr30k: research only",
        citation="Bugliarello et al. 2022, arXiv 2201.11732; Agic and Schluter 2018, arXiv 1704.05347",
        notes="About 1,100 sentences on photographs of Flickr30k, parallel in 5 languages; an image is the premise. It "
        "is read from your own copy: set XSTILTS_XVNLI to a folder with `annotations` of IGLUE's repository "
        "(e-bug/iglue, datasets/XVNLI) and the photographs in `images`, such as images/759822302.jpg. A trial with a "
        f"vision tower is asked with and without images. {_ONE_SPLIT} {_YOUR_FILES}",
    ),
    TaskSpec(
        name="xflickrco",
        kind="image_text_retrieval",
        source=AnnotationSource(variable="XSTILTS_XFLICKRCO", image_field="img_path"),
        splits={"validation": ("test",)},
        columns={"image": "image", "caption": "sentences", "id": "img_path"},
        languages=LITERATURE["xflickrco"].languages,
        metric="recall_at_1",
        licence="not stated; photographs of Flickr30k (research only) and COCO (Flickr's terms)",
        citation="Bugliarello et al. 2022, arXiv 2201.11732, section 2",
        notes="2,000 photographs of Flickr30k and COCO with a caption in each of 8 languages; a caption searches all "
        "photographs. It is read from your own copy: set XSTILTS_XFLICKRCO to a folder with `annotations` of IGLUE's "
        "repository (e-bug/iglue, datasets/xFlickrCO) and the photographs in `images`, such as images/1007129816.jpg "
        f"and images/COCO_val2014_000000110156.jpg. {_ONE_SPLIT} {_YOUR_FILES}",
    ),
)
"""Those of XTREME, XTREME-R and IGLUE but XNLI."""
