/** The language and the theme, in two fields that every page of the site has. */
import { byId } from './dom.js';
import { language, speak, type Language } from './i18n.js';
import { keep, onKept, recall } from './keep.js';

/** Fills the fields and applies what is chosen, here or in another tab. */
export function choices(): void {
  const tongue = byId<HTMLSelectElement>('language');
  language.watch((name) => (tongue.value = name));
  tongue.addEventListener('change', () => speak(tongue.value as Language));
  const theme = byId<HTMLSelectElement>('theme');
  const kept = recall('theme');
  theme.value = kept === 'light' || kept === 'dark' ? kept : 'auto';
  const apply = (): void => {
    if (theme.value === 'auto') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = theme.value;
  };
  theme.addEventListener('change', () => {
    keep('theme', theme.value === 'auto' ? undefined : theme.value);
    apply();
  });
  onKept('theme', (name) => {
    theme.value = name === 'light' || name === 'dark' ? name : 'auto';
    apply();
  });
  apply();
}
