/** Stands in for JupyterLab's notifications: remembers what was said, so that tests can read it and press Undo. */
interface Action {
  label: string;
  callback: () => void;
}

export const said: { message: string; actions: Action[] }[] = [];

export const Notification = {
  emit: (message: string, _type: string, options: { actions?: Action[] } = {}) => {
    said.push({ message, actions: options.actions ?? [] });
  },
  error: (message: string) => {
    said.push({ message, actions: [] });
  }
};
