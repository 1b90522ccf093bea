/** A button that opens a short menu, by mouse and by arrow keys. */
import { useEffect, useRef, useState, type JSX, type KeyboardEvent, type ReactNode } from 'react';
import { Button, type ButtonProps } from './basics';
import { Icon, type IconName } from './icons';

export interface MenuItem {
  id: string;
  label: ReactNode;
  icon?: IconName;
  danger?: boolean;
  disabled?: boolean;
  checked?: boolean;
  onSelect: () => void;
}

export interface MenuProps {
  label: string;
  items: readonly MenuItem[];
  button?: ButtonProps;
  /** What the button shows; without it, only its icon. */
  children?: ReactNode;
  align?: 'start' | 'end';
}

export function Menu({ label, items, button, children, align = 'end' }: MenuProps): JSX.Element {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLSpanElement>(null);
  const trigger = useRef<HTMLButtonElement>(null);

  useEffect(() => {
    if (!open) {
      return;
    }
    root.current?.querySelector<HTMLElement>('[role^=menuitem]:not([disabled])')?.focus();
    const outside = (event: PointerEvent) => {
      if (!root.current?.contains(event.target as Node)) {
        setOpen(false);
      }
    };
    document.addEventListener('pointerdown', outside, true);
    return () => document.removeEventListener('pointerdown', outside, true);
  }, [open]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (!open) {
      return;
    }
    const entries = [...(root.current?.querySelectorAll<HTMLElement>('[role^=menuitem]:not([disabled])') ?? [])];
    const at = entries.indexOf(document.activeElement as HTMLElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      entries[(at + step + entries.length) % entries.length]?.focus();
    } else if (event.key === 'Escape') {
      setOpen(false);
      trigger.current?.focus();
    } else if (event.key === 'Tab') {
      setOpen(false);
      return;
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <span className="hm-menu" ref={root} onKeyDown={onKeyDown}>
      <Button
        ref={trigger}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-label={children ? undefined : label}
        title={children ? undefined : label}
        {...button}
        onClick={() => setOpen(!open)}
      >
        {children && (
          <>
            {children}
            <Icon name="chevron" size={12} />
          </>
        )}
      </Button>
      {open && (
        <div className={`hm-menulist hm-${align}`} role="menu" aria-label={label}>
          {items.map(item => (
            <button
              key={item.id}
              type="button"
              role={item.checked === undefined ? 'menuitem' : 'menuitemcheckbox'}
              aria-checked={item.checked}
              disabled={item.disabled}
              className={item.danger ? 'hm-fail' : undefined}
              tabIndex={-1}
              onClick={() => {
                setOpen(false);
                trigger.current?.focus();
                item.onSelect();
              }}
            >
              {item.checked !== undefined ? (
                <span className={`hm-box${item.checked ? ' hm-on' : ''}`}>
                  {item.checked && <Icon name="check" size={12} />}
                </span>
              ) : (
                item.icon && <Icon name={item.icon} />
              )}
              <span className="hm-grow hm-ell">{item.label}</span>
            </button>
          ))}
        </div>
      )}
    </span>
  );
}
