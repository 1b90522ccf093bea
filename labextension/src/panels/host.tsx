/** Puts a panel's component into its tab: shared services, loading and failure, all around the panel itself. */
import { QueryClientProvider } from '@tanstack/react-query';
import { Component, Suspense, lazy, type ErrorInfo, type JSX, type ReactNode } from 'react';
import { FrameContext, TabContext, type Frame, type Tab } from '../frame';
import { Button } from '../components/basics';
import { Icon } from '../components/icons';
import { SkeletonPage } from '../components/feedback';
import { t } from '../i18n';
import type { PanelDefinition } from './registry';

class Boundary extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state = { error: null as Error | null };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override componentDidCatch(error: Error, info: ErrorInfo) {
    console.error('A Himalia panel failed', error, info.componentStack);
  }

  override render() {
    const { error } = this.state;
    if (!error) {
      return this.props.children;
    }
    return (
      <div className="hm-state" role="alert">
        <Icon name="warning" size={20} className="hm-fail" />
        <h2>{t('error.panel')}</h2>
        <p>{t('error.panelHint')}</p>
        <pre className="hm-mono">{error.message}</pre>
        <Button onClick={() => this.setState({ error: null })}>{t('action.retry')}</Button>
      </div>
    );
  }
}

const loaded = new Map<string, ReturnType<typeof lazy<(props: { args: Tab['args'] }) => ReactNode>>>();

function componentOf(definition: PanelDefinition) {
  let component = loaded.get(definition.panel);
  if (!component) {
    component = lazy(definition.load as never);
    loaded.set(definition.panel, component);
  }
  return component;
}

export function Surroundings({ frame, children }: { frame: Frame; children: ReactNode }): JSX.Element {
  return (
    <FrameContext.Provider value={frame}>
      <QueryClientProvider client={frame.queries}>
        <Boundary>{children}</Boundary>
      </QueryClientProvider>
    </FrameContext.Provider>
  );
}

export default function PanelHost(props: { frame: Frame; tab: Tab; definition: PanelDefinition }): JSX.Element {
  const Panel = componentOf(props.definition);
  return (
    <Surroundings frame={props.frame}>
      <TabContext.Provider value={props.tab}>
        <Suspense fallback={<SkeletonPage />}>
          <Panel args={props.tab.args} />
        </Suspense>
      </TabContext.Provider>
    </Surroundings>
  );
}
