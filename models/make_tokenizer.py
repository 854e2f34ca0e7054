#!/usr/bin/env python3
"""Trains the tokenizer of the bundled model (byte-level BPE, Llama 3's splitting and special tokens) -> tokenizer.json"""
import os
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from stories import story

HERE = os.path.dirname(os.path.abspath(__file__))
VOCAB = 2048
REGEX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPECIALS = ['<|begin_of_text|>', '<|end_of_text|>', '<|reserved_special_token_0|>', '<|reserved_special_token_1|>', '<|finetune_right_pad_id|>',
            '<|reserved_special_token_2|>', '<|start_header_id|>', '<|end_header_id|>', '<|eom_id|>', '<|eot_id|>', '<|python_tag|>']


def main():
    t = Tokenizer(models.BPE(ignore_merges=True))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(REGEX), 'isolated'),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    r = random.Random('tokenizer')
    t.train_from_iterator((story(r) for _ in range(20000)), trainers.BpeTrainer(
        vocab_size=VOCAB - len(SPECIALS), initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False))
    assert t.get_vocab_size() == VOCAB - len(SPECIALS), t.get_vocab_size()
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIALS])
    bos = t.token_to_id(SPECIALS[0])
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(
        single=SPECIALS[0] + ' $A', pair=f'{SPECIALS[0]} $A {SPECIALS[0]}:1 $B:1', special_tokens=[(SPECIALS[0], bos)])])
    t.save(os.path.join(HERE, 'tokenizer.json'), pretty=False)
    n = [len(t.encode(story(r)).ids) for _ in range(2000)]
    n.sort()
    print('vocabulary', t.get_vocab_size(), 'bos', bos, 'tokens per story: min, median, p95, max =', n[0], n[1000], n[1900], n[-1])


if __name__ == '__main__':
    main()
