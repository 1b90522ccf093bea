/**
 * Keeps unsaved changes from being lost: a form says that it holds some, and whoever leads away from it asks here first.
 * Leaving the page itself is asked by the browser.
 */
import { createContext, useCallback, useContext, useEffect, useId, useMemo, useRef, useState, type JSX, type ReactNode } from 'react';
import { t } from '../../i18n';
import { Dialog } from '../dialog';

interface Guard {
  /** A form says whether it holds unsaved changes. */
  report: (form: string, dirty: boolean) => void;
  /** Runs `go` at once, or after the person agreed to lose what is unsaved. */
  leave: (go: () => void) => void;
}

const GuardContext = createContext<Guard>({ report: () => undefined, leave: go => go() });

export const useLeave = (): Guard['leave'] => useContext(GuardContext).leave;

/** Reports a form's unsaved changes for as long as it is shown. */
export function useUnsaved(dirty: boolean): void {
  const id = useId();
  const { report } = useContext(GuardContext);
  useEffect(() => {
    report(id, dirty);
    return () => report(id, false);
  }, [report, id, dirty]);
}

export function LeaveGuard({ children }: { children: ReactNode }): JSX.Element {
  const dirty = useRef(new Set<string>());
  const [going, setGoing] = useState<(() => void) | null>(null);
  const report = useCallback((form: string, unsaved: boolean) => {
    if (unsaved) {
      dirty.current.add(form);
    } else {
      dirty.current.delete(form);
    }
  }, []);
  const leave = useCallback((go: () => void) => (dirty.current.size ? setGoing(() => go) : go()), []);
  useEffect(() => {
    const unload = (event: BeforeUnloadEvent) => {
      if (dirty.current.size) {
        event.preventDefault();
      }
    };
    window.addEventListener('beforeunload', unload);
    return () => window.removeEventListener('beforeunload', unload);
  }, []);
  const guard = useMemo(() => ({ report, leave }), [report, leave]);
  return (
    <GuardContext.Provider value={guard}>
      {children}
      {going && (
        <Dialog
          title={t('record.leaveTitle')}
          accept={t('record.discard')}
          danger
          onAccept={() => {
            dirty.current.clear();
            setGoing(null);
            going();
          }}
          onClose={() => setGoing(null)}
        >
          <p>{t('record.leaveText')}</p>
        </Dialog>
      )}
    </GuardContext.Provider>
  );
}
