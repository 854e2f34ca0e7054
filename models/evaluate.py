#!/usr/bin/env python3
"""Mean negative log-likelihood (nats per token) and perplexity of GGUF files, with the NumPy reference; with --requests,
how often an answer tells of the hero that was asked for.

  python evaluate.py llamita-stories.gguf stories-f32.gguf
  python evaluate.py --requests 200 llamita-stories.gguf
"""
import argparse
import random
import re

import numpy as np
from tokenizers import Tokenizer

import chat
from goldens import FIXTURES, HERE, Model, log_softmax, nll
from sample import generate
from stories import story
from train import documents

tok = Tokenizer.from_file(HERE + '/tokenizer.json')
eos = tok.token_to_id('<|end_of_text|>')


def likelihoods(path):
    model, r = Model(path), random.Random('evaluate')
    out = [('heldout text', nll(model, tok.encode(open(FIXTURES + '/bundled-heldout.txt').read()).ids))]
    for lang in ('en', 'es'):
        docs = [tok.encode(story(r, lang)).ids + [eos] for _ in range(32)]
        n = np.array([len(d) - 1 for d in docs])
        out.append((f'32 new stories ({lang})', float((n * [nll(model, d) for d in docs]).sum() / n.sum())))
    for lang in ('en', 'es'):
        total = count = 0
        chats = documents(tok, f'evaluate/{lang}', 1, lang)
        for ids, weights in (next(chats) for _ in range(32)):
            model.reset()
            lp = log_softmax(model.forward(ids[:-1]))[np.arange(len(ids) - 1), ids[1:]]
            answers = np.array(weights[1:]) == 1
            total, count = total - lp[answers].sum(), count + answers.sum()
        out.append((f'answers of 32 new conversations ({lang})', float(total / count)))
    print(path + ':', ', '.join(f'{k} {v:.4f} (perplexity {np.exp(v):.3f})' for k, v in out))


def requests(path, count, show=0, temp=None):
    """Requests for a hero in pairs of kind and trait that training never saw, then for kinds that it never saw."""
    model = Model(path)
    temp, top_p = model.meta['general.sampling.temp'] if temp is None else temp, model.meta['general.sampling.top_p']
    for new in (False, True):
        kinds = range(len(chat.KINDS), len(chat.KINDS) + len(chat.NEW_KINDS)) if new else None
        for lang in ('en', 'es'):
            asked, kept, r = dict(kind=0, trait=0, name=0, all=0), dict(kind=0, trait=0, name=0, all=0), random.Random(f'requests/{lang}/{new}')
            ended = again = 0
            for i in range(count // (4 if new else 2)):
                while True:
                    plan = chat.Plan(r, lang, kinds, evaluation=True)
                    text = chat.request(r, lang, plan)
                    if plan.given.get('kind'):
                        break
                text = chat.polite(r, lang, text)
                ids = tok.encode(chat.render([('user', text)]) + '<|start_header_id|>assistant<|end_header_id|>\n\n', add_special_tokens=False).ids
                out, end = generate(model, ids, np.random.default_rng(i), temp, top_p, 300)
                answer = tok.decode(out)
                S = plan.story(r, lang)
                first = re.split(r'(?<=[a-z]\.) ', answer.removeprefix('Of course!').strip(), maxsplit=1)[0]
                words = set(re.findall(r'\w+', first))
                trait = chat.TRAITS[plan.trait][0 if lang == 'en' else 2 if plan.gender == 'f' else 1]
                found = dict(kind=S.e['h']['kind'] in words, trait=trait in words, name=plan.name in re.findall(r'\w+', answer.split('\n\n')[-1]))
                wanted = [k for k in found if plan.given.get(k)]
                for k in wanted:
                    asked[k], kept[k] = asked[k] + 1, kept[k] + found[k]
                asked['all'], kept['all'] = asked['all'] + 1, kept['all'] + all(found[k] for k in wanted)
                ended += end
                hero = re.search(r'(?:named|llamaba|[Nn]ame was) (\w+)|^(\w+) (?:was|era) ', first + ' ' + answer)
                again += bool(hero) and next(g for g in hero.groups() if g) in answer[hero.end():]
                if i < show:
                    print(f'> {text}\n{answer}\n')
            n = asked['all']
            print(f'{path}: {"new kinds" if new else "new pairs"} ({lang}), temperature {temp:.2f}, top-p {top_p:.2f}: ' + ', '.join(f'{k} {kept[k]}/{asked[k]}' for k in asked)
                  + f', ended {ended}/{n}, the name comes again {again}/{n}', flush=True)


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('files', nargs='+')
    ap.add_argument('--requests', type=int, default=0, help='how many requests to answer')
    ap.add_argument('--show', type=int, default=0, help='answers of each part to print')
    ap.add_argument('--temp', type=float, help="in place of the file's temperature")
    a = ap.parse_args()
    for path in a.files:
        requests(path, a.requests, a.show, a.temp) if a.requests else likelihoods(path)
