// The functions of examples/c_api.rs, which says what they do.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Llamita Llamita;

Llamita *llamita_open(const char *path, uint64_t memory, char *error, size_t error_len);
const char *llamita_device(const Llamita *llamita);
bool llamita_reply(Llamita *llamita, const char *prompt, uint32_t max_tokens,
                   bool (*piece)(void *context, const char *text), void *context, char *error, size_t error_len);
void llamita_close(Llamita *llamita);
