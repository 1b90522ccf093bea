/** The picture in the middle of the workbench: zoom by wheel, drag to move, fit, turn, light. */
import { forwardRef, useCallback, useEffect, useImperativeHandle, useRef, useState, type ReactNode } from 'react';
import {
  centred,
  fit,
  keepInSight,
  pan,
  screenPoint,
  turnRight,
  zoomAt,
  type QuarterTurns,
  type Size,
  type View
} from '../../canvas/geometry';
import { drawPicture, type Light } from '../../canvas/render';
import { Button } from '../../components/basics';
import { Icon } from '../../components/icons';
import { formatPercent } from '../../domain/format';
import { t } from '../../i18n';
import { useConnection } from '../../queries/account';

export interface CanvasHandle {
  zoom: (factor: number) => void;
  fit: () => void;
  actual: () => void;
  turn: () => void;
}

interface CanvasProps {
  url: string;
  name: string;
  light: Light;
  children?: ReactNode;
}

const WHEEL_STEP = 0.0015;

interface Loaded {
  url: string;
  image: HTMLImageElement | null;
  failed: boolean;
}

/** The decoded picture of an address; the one before stays until the next is there, so that nothing flashes. */
function usePicture(url: string): Loaded & { retry: () => void } {
  const [loaded, setLoaded] = useState<Loaded>({ url: '', image: null, failed: false });
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let gone = false;
    const image = new Image();
    image.src = url;
    image.decode().then(
      () => !gone && setLoaded({ url, image, failed: false }),
      () => !gone && setLoaded({ url, image: null, failed: true })
    );
    return () => {
      gone = true;
    };
  }, [url, attempt]);
  return { ...loaded, retry: () => setAttempt(count => count + 1) };
}

export const PictureCanvas = forwardRef<CanvasHandle, CanvasProps>(function PictureCanvas({ url, name, light, children }, handle) {
  const holder = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const { image, failed, url: loadedUrl, retry } = usePicture(url);
  const connection = useConnection();
  useEffect(() => {
    if (failed && connection === 'connected') {
      retry();
    }
    // Once for each time the connection comes back.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [connection]);
  const [room, setRoom] = useState<Size>({ width: 0, height: 0 });
  const [turns, setTurns] = useState<QuarterTurns>(0);
  // Null means fitted: it stays fitted when the window changes.
  const [view, setView] = useState<View | null>(null);
  const picture: Size | null = image && { width: image.naturalWidth, height: image.naturalHeight };
  const shown = picture && room.width > 0 ? (view ?? fit(picture, room, turns)) : null;

  useEffect(() => {
    setView(null);
    setTurns(0);
  }, [loadedUrl]);

  useEffect(() => {
    const element = holder.current;
    if (!element) {
      return;
    }
    const measure = () => setRoom({ width: element.clientWidth, height: element.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext('2d');
    if (!element || !context) {
      return;
    }
    if (!image || !shown) {
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, element.width, element.height);
      return;
    }
    const density = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(room.width * density), Math.round(room.height * density)];
    if (element.width !== width || element.height !== height) {
      element.width = width;
      element.height = height;
    }
    drawPicture({ context, window: room, density }, image, shown, light);
  }, [image, shown, room, light]);

  const latest = useRef({ shown, picture, room });
  latest.current = { shown, picture, room };
  const change = useCallback((next: (view: View) => View) => {
    const now = latest.current;
    if (now.shown && now.picture) {
      setView(keepInSight(next(now.shown), now.picture, now.room));
    }
  }, []);

  useImperativeHandle(
    handle,
    () => ({
      zoom: factor => change(now => zoomAt(now, screenPoint(latest.current.room.width / 2, latest.current.room.height / 2), factor)),
      fit: () => setView(null),
      actual: () =>
        change(now => (latest.current.picture ? centred(latest.current.picture, latest.current.room, 1, now.turns) : now)),
      turn: () => {
        setTurns(turnRight);
        setView(null);
      }
    }),
    [change]
  );

  useEffect(() => {
    const element = holder.current;
    if (!element) {
      return;
    }
    // React's wheel listener is passive and could not keep the page still.
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const box = element.getBoundingClientRect();
      const at = screenPoint(event.clientX - box.left, event.clientY - box.top);
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      change(now => zoomAt(now, at, Math.exp(-event.deltaY * lines * WHEEL_STEP)));
    };
    element.addEventListener('wheel', onWheel, { passive: false });
    return () => element.removeEventListener('wheel', onWheel);
  }, [change]);

  const drag = (event: React.PointerEvent<HTMLDivElement>) => {
    if (event.button > 1 || (event.target as HTMLElement).closest('button')) {
      return;
    }
    const element = event.currentTarget;
    element.setPointerCapture(event.pointerId);
    let last = { x: event.clientX, y: event.clientY };
    const onMove = (moved: PointerEvent) => {
      const [dx, dy] = [moved.clientX - last.x, moved.clientY - last.y];
      last = { x: moved.clientX, y: moved.clientY };
      change(now => pan(now, dx, dy));
    };
    element.addEventListener('pointermove', onMove);
    element.addEventListener('lostpointercapture', () => element.removeEventListener('pointermove', onMove), { once: true });
  };

  return (
    <div className="hm-canvas" ref={holder} onPointerDown={drag}>
      <canvas ref={canvas} role="img" aria-label={t('workbench.picture', { name })} />
      {failed && (
        <div className="hm-canvasnote">
          <Icon name="warning" />
          {t('workbench.pictureFailed')}
          <Button small onClick={retry}>
            {t('action.retry')}
          </Button>
        </div>
      )}
      {children}
      {shown && (
        <span className="hm-zoom">
          {!view && `${t('workbench.fit')} `}
          {formatPercent(shown.scale)}
        </span>
      )}
    </div>
  );
});
