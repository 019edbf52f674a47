#pragma once

// g++ says it with a macro, clang with a feature.
#if defined(__has_feature)
#define SLUICE_HAS_FEATURE_(x) __has_feature(x)
#else
#define SLUICE_HAS_FEATURE_(x) 0
#endif

/// 1 in builds with AddressSanitizer, else 0.
#if defined(__SANITIZE_ADDRESS__) || SLUICE_HAS_FEATURE_(address_sanitizer)
#define SLUICE_ADDRESS_SANITIZER 1
#else
#define SLUICE_ADDRESS_SANITIZER 0
#endif

/// 1 in builds with ThreadSanitizer, else 0.
#if defined(__SANITIZE_THREAD__) || SLUICE_HAS_FEATURE_(thread_sanitizer)
#define SLUICE_THREAD_SANITIZER 1
#else
#define SLUICE_THREAD_SANITIZER 0
#endif
