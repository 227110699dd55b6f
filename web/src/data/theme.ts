import { useEffect, useState } from 'preact/hooks';
import { DARK, LIGHT, type Theme } from '../../panels/theme.js';
import type { ThemeChoice } from './address.js';

function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const change = () => setMatches(list.matches);
    change();
    list.addEventListener('change', change);
    return () => list.removeEventListener('change', change);
  }, [query]);
  return matches;
}

/** The colours to draw with: the system's wish unless the person chose. */
export function useTheme(choice: ThemeChoice): Theme {
  const systemLight = useMedia('(prefers-color-scheme: light)');
  const still = useMedia('(prefers-reduced-motion: reduce)');
  const light = choice === 'system' ? systemLight : choice === 'light';
  useEffect(() => {
    document.documentElement.dataset.theme = light ? 'light' : 'dark';
  }, [light]);
  return { ...(light ? LIGHT : DARK), still };
}
