/**
 * The page's policy for Trusted Types, first of all modules: scripts come from this site alone, and since the policy
 * makes no HTML, the browser refuses every use of innerHTML and the like, whoever attempts it.
 */

interface Policy {
  createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): unknown;
}

const factory = (window as { trustedTypes?: Policy }).trustedTypes;
factory?.createPolicy('default', {
  createScriptURL(url) {
    if (new URL(url, location.href).origin !== location.origin) throw new TypeError(`no script from ${url}`);
    return url;
  },
});
